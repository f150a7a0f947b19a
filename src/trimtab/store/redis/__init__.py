"""What many workers share in Redis or Valkey: counters that must be one, not one each."""
