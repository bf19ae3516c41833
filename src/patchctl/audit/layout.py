"""Assign records to files by their number, so that a moved line is noticed."""

FILE_RECORDS = 50_000


def first_seq(seq: int, file_records: int = FILE_RECORDS) -> int:
    """The number of the first record in the file that holds record `seq`."""
    return (seq - 1) // file_records * file_records + 1


def file_name(seq: int, file_records: int = FILE_RECORDS) -> str:
    """The name of the file that holds record `seq`. Names sort as records do."""
    return f"{first_seq(seq, file_records):012}.jsonl"
