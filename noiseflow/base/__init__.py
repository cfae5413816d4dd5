"""What the rooms share: values and parts of records, faults in words, users' files; it imports no other room."""
