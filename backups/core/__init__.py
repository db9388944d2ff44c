"""What is true: values and decisions, with the standard library and a JSON parser only.

Nothing here opens a connection, reads a clock or knows Django. Everything is a
function of its arguments, so every test of it is a table.
"""
