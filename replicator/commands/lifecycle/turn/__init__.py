"""What `promote` and `rollback` share: settings, the release that is meant, changes of images, the report."""
