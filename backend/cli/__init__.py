"""`doorstep`, the operator's command. A module is a group of commands; heavy imports are lazy."""
