"""Calls STS with boto3 for as long as it runs, and prints and ends as the command client does."""
import os
import signal
import time

failures, sessions, last = 0, 0, None
# First of all: the first process of a container is not ended by a signal that it does not handle.
signal.signal(signal.SIGTERM, lambda *_: os._exit(1 if failures else 0))

import boto3
import botocore.config
import botocore.session


class Session(botocore.session.Session):
    """Heeds AWS_ENDPOINT_URL_STS, also where botocore is too old to, and for its own requests to STS."""

    def create_client(self, service_name, *args, **kwargs):
        kwargs["endpoint_url"] = os.environ["AWS_ENDPOINT_URL_STS"]
        return super().create_client(service_name, *args, **kwargs)


session = boto3.Session(botocore_session=Session())
once = botocore.config.Config(retries={"total_max_attempts": 1})  # what fails is to be seen
client = session.client("sts", config=once)
while True:
    try:
        arn = client.get_caller_identity()["Arn"]
        key = session.get_credentials().get_frozen_credentials().access_key
        if key != last:
            sessions, last = sessions + 1, key
            print("session", sessions, "is", arn, flush=True)
    except Exception as error:  # whatever it is, the call has failed
        failures += 1
        print("FAILED:", repr(str(error)), flush=True)
    time.sleep(0.2)
