"""How the pretrained models were trained, released and measured."""
