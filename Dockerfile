# The server in a container. For the CPU: docker build -t preference-loop .   For an NVIDIA GPU: add --build-arg GPU=1
ARG PYTHON=3.13
FROM python:${PYTHON}-slim
ARG GPU=
WORKDIR /opt/preference-loop
COPY requirements.txt requirements.lock ./
RUN if [ -z "$GPU" ]; then \
        pip install --no-cache-dir --no-deps --constraint requirements.lock \
            --index-url https://download.pytorch.org/whl/cpu torch; \
    fi \
    && pip install --no-cache-dir --constraint requirements.lock --requirement requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps . \
    && useradd --create-home preference-loop \
    && install --directory --owner preference-loop --mode 700 /data
USER preference-loop
WORKDIR /data
ENV PREFERENCE_LOOP_HOME=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
STOPSIGNAL SIGINT
HEALTHCHECK CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/healthz')"]
ENTRYPOINT ["preference-loop"]
CMD ["serve", "--host", "0.0.0.0"]
