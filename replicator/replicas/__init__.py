"""A set of replicas: settings, survey, plan, copy tree, work, families, audit, results, report, summary."""
