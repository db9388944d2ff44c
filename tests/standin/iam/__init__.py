"""STS and IAM as far as sign-in needs them, strict where emulators are kind.

    python -m tests.standin.iam --port 8411          # 127.0.0.1 only
    with servers.running(control.start(folder)) as (server,): ...

    server      one request: fault? signature -> what a session may -> policy -> action -> books
    signature   Signature Version 4, verified; who signed
    policy      policy documents: variables, conditions, principals; deny by default
    actions     one call: its parameters, its pages, may its caller; then ``sts`` or ``iam``
    state       accounts and what is in them, in memory, plain dataclasses
    wire        AWS's query protocol: errors, XML, STS's JSON
    control     for tests: starts the server, makes people, sets faults, reads the books

What is AWS's own word is not marked. Seen by others, not documented: the words of most errors, and the
fifteen minutes of a signature (``window``). Chosen here, because nobody says: that a session dies with
its user or role as an unknown key; the answers to a path other than /, to a parameter that comes twice,
to GetAccessKeyInfo of no key and to a role at the reserved path.
"""
