"""Shows the prices that plans are told by, and reads newer ones from Google's Cloud Billing Catalog."""
