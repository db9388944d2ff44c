"""A Cognito that refuses what AWS refuses: everything else is tested and measured against it.

    python -m tests.standin --port 8100           one process, on 127.0.0.1
    servers.standin(folder)                       the same, from a test
    client.Standin(url)                           its control: faults, clock, quotas, books

    HTTP, JSON 1.1 -> faults, quota -> parameters against botocore's own model -> the operation -> books
      server.py       faults.py quotas.py   model.py                               operations/   books.py

What is true on AWS is written where it is enforced. Where AWS does not say, a knob (``state.Knobs``)
chooses, and the product must be safe either way. No signature is verified and no policy asked:
ministack does that; this one only reads the Region out of the signature's scope. What STS and IAM
answer, and no emulator does, is in ``tests.standin.iam``.
"""
