"""What other systems export, read into the pieces of an incident bundle. Pure: content in, values out.

Each reader takes the bytes of one file, its name for messages and a `Told`; a malformed row is told and skipped, a
malformed file is an EvidenceError that names it.
"""
