"""Changes what releases leave behind: deprecates and deletes images, each with the checks right before and after."""
