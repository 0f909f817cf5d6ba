"""The specification's documents to and from the domain. Every quirk of the wire lives in this room.

documents.py   bytes to parameters: JSON, forms, query strings, names in any spelling, repeats
values.py      one parameter's value: numbers, booleans, text, times
requests.py    the five methods' parameters to domain requests
updates.py     those of UpdateCaseStatus as most dialers send them, read at once
replies.py     domain objects to the specification's JSON
"""
