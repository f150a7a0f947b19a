"""Statistics: pure functions on arrays. What is undefined is `None` with a reason, never NaN."""
