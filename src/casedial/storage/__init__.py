"""Every query, in and out of objects of the domain: a file for each subject."""
