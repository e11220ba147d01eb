"""What is true now. Pure: data in, data out; time enters as an argument."""
