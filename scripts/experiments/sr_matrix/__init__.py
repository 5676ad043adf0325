"""Every adversarial system as a super-resolver."""
