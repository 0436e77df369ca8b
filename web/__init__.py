"""What people see: the console and its API, the customer's page."""
