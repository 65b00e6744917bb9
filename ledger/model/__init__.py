"""What an event means: decoding, folding, entries. Pure: nothing in here does IO, reads a clock or makes up a value."""
