"""What `make up`, `make down` and `make ssh` are made of.

Only the standard library: it runs with whatever python3 the machine has.
"""
