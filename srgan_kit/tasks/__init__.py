"""What is trained: a task supplies real images, the generator's input, the content terms and the measurements."""
