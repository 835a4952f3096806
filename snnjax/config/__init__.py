"""The configuration: schema and defaults, strict conversion, the split into Program and Member."""
