output "images" {
  description = "Place → the image to start machines from there: projects/PROJECT/global/images/NAME."
  value       = { for place, replica in local.chosen : place => replica.image }

  # Each holds as well where an earlier one fails, so that one mistake gives one error.
  precondition {
    condition     = local.entries != null
    error_message = "index isn't an image-index.json of schema 1. Pass the whole text of the file, such as file(\"image-index.json\"); if it is of a newer schema, take a newer version of this module."
  }

  precondition {
    condition     = local.entries == null || local.digest_right
    error_message = "The digest of index is ${local.digest}, and digest says ${var.digest}. If the release is meant to change, set digest to that release's index_digest; if it isn't, don't use this index."
  }

  precondition {
    condition     = local.entries == null || !local.digest_right || length(local.found) == 1
    error_message = "index holds ${length(local.found) > 1 ? "more than one image" : "no image"} for ${trimsuffix("${var.architecture}/${local.variant}", "/")}. It holds: ${try(join(", ", sort(local.entries[*].name)), "")}. Set architecture, and variant where there is one."
  }

  precondition {
    condition     = local.entries == null || !local.digest_right || length(local.found) != 1 || length(local.not_served) == 0
    error_message = "No replica serves ${join(", ", local.not_served)} with fallback = \"${var.fallback}\". The image is stored in: ${try(coalesce(join(", ", keys(local.locations))), "no location")}. Add a location to the action's input locations and release again${var.fallback == "nearest" ? "" : ", or set fallback to ${var.fallback == "none" ? "continent or nearest" : "nearest"}"}."
  }
}

output "replicas" {
  description = "Place → what was chosen: image, id, location, and tier (0: the place itself; 1: the multi-region that holds it; 2: the same continent; 3: the rest)."
  value       = { for place, replica in local.chosen : place => { for name, value in replica : name => value if name != "family" } }
}

output "families" {
  description = "Place → the family of the chosen image; null where it has none."
  value       = { for place, replica in local.chosen : place => replica.family }
}

output "digest" {
  description = "The digest of the index that was read."
  value       = local.digest
}
