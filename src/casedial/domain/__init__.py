"""What a law firm's dial list is. Standard library only: no clock, no I/O, no framework."""
