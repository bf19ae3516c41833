"""Choose the file of each record by its number, so that a line in another file is noticed."""

FILE_RECORDS = 50_000


def first_seq(seq: int, file_records: int = FILE_RECORDS) -> int:
    """Return the number of the first record in the file that holds record `seq`."""
    return (seq - 1) // file_records * file_records + 1


def file_name(seq: int, file_records: int = FILE_RECORDS) -> str:
    """Return the name of the file that holds record `seq`. Names sort in the order of records."""
    return f"{first_seq(seq, file_records):012}.jsonl"
