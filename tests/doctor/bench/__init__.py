"""A bench for the doctor: sound programs, faults put into them, and measured harm."""
