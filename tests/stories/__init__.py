"""What users live through, told against the embedded GitHub."""
