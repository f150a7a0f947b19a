from collections.abc import Generator

from clickhouse_connect.driver.insert import InsertContext

class NativeTransform:
    @staticmethod
    def build_insert(context: InsertContext) -> Generator[bytes]: ...
