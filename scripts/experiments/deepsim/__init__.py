"""DeePSiM: what each of its three losses is for."""
