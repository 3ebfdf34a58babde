# SPDX-License-Identifier: Apache-2.0
"""The playground: a typed chat, answered by several policies while the reader watches.

A worker process of its own keeps the models loaded between questions. The server talks to it through its standard
streams and never imports torch. Nothing is stored before someone asks for it (`storing`).
"""
