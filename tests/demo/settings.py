"""``python -m tests.demo.settings REGION POOL``: a pool's settings as the product reads them, no secrets.

A process of its own, because the product takes its AWS from boto3's environment. Prints one JSON list of
[name, value, why it could not be read].
"""

from __future__ import annotations

import sys

import orjson

from backups.aws.cognito import CognitoPool
from backups.core import sealed

if __name__ == "__main__":
    _, region, pool = sys.argv
    read = list(CognitoPool(region, pool).settings())
    values = sealed.put_away({name: value for name, value, _ in read}, None)[0]
    sys.stdout.buffer.write(orjson.dumps([(name, values[name], why) for name, _, why in read]))
