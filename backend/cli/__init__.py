"""`doorstep`: the operator's command. Each module is a group of commands; heavy imports stay inside."""
