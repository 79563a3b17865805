"""Calls STS with boto3, once for each line it reads."""
import os
import sys

import boto3

client = boto3.client("sts", endpoint_url=os.environ["ENDPOINT"])
for line in sys.stdin:
    try:
        print("ok", client.get_caller_identity()["Arn"], flush=True)
    except Exception as error:  # whatever it is, it is the answer
        print("error", repr(str(error)), flush=True)
