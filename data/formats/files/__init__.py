# SPDX-License-Identifier: Apache-2.0
"""Files as containers of rows: packing, archives, encodings, tables, Parquet and Arrow; no format of rows."""
