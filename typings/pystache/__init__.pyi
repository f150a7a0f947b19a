"""What `trimtab.domain.mustache` uses of pystache, which has no types of its own."""
