class InsertContext:
    block_row_count: int
    insert_exception: Exception | None
