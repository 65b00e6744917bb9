"""The table of strict decoding: every way for a record to be wrong, with its reason code and where it says it is."""

from tests.fold.building import Case
from tests.fold.refusals_data import ASPECTS, MODES, OPERATIONS, SECRETS, WHO
from tests.fold.refusals_envelope import BYTES, DUPLICATES, ENVELOPE

CASES: list[Case] = [*BYTES, *DUPLICATES, *ENVELOPE, *WHO, *ASPECTS, *OPERATIONS, *SECRETS, *MODES]
