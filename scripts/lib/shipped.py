"""Settings of the runs that experiments measure and whose generators are shipped."""

INFOGAN_MNIST = ("generator.channels=32", "generator.dense=[128]", "critic.channels=32", "critic.dense=[512]")
"""Of the recipe `infogan`: the paper's dense layers of 1024 would make a file of 27 MB."""
DCGAN_FLOWERS = ("generator.channels=32", "critic.channels=32", "data.batch=32", "steps=30000")
DCGAN_FLOWERS += ("validation.every=3000", "techniques.translation=8")
"""Of the recipe `dcgan`, for 3,670 photographs of 64x64: shifts of what the critic sees, as it would learn so few by
heart."""
