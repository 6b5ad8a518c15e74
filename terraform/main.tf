# Chooses the nearest verified image for each place, from an image index. Functions only: no provider, no network.

terraform {
  required_version = ">= 1.3"
}

locals {
  # Place → location → tier and km, such as "1 00382". "europe-*" stands for the regions of Europe that are newer than
  # the file, "*" for those of other parts of the world. Tier 0: the place itself; 1: the multi-region that holds it, or
  # a member of it; 2: the same continent; 3: the rest. Made by `make docs`.
  orders = jsondecode(file("${path.module}/orders.json"))

  index = try(jsondecode(var.index), null)

  # Null unless the index is of schema 1 and holds images, all with an address and an id.
  entries = try(local.index.schema, null) != 1 || try(length(local.index.images), 0) == 0 ? null : try([
    for entry in local.index.images : {
      name         = trimsuffix("${entry.architecture}/${entry.variant}", "/")
      architecture = entry.architecture
      variant      = entry.variant
      locations = {
        for location, replica in entry.locations : regex("^(?:us|eu|asia|(?:[a-z]-)?[a-z]+-[a-z]+[0-9]+)$", location) => {
          image  = regex("^projects/[a-z0-9.:-]+/global/images/[a-z][a-z0-9-]*$", replica.uri)
          id     = regex("^[0-9]+$", replica.id)
          family = replica.family
        }
      }
    }
  ], null)

  digest       = "sha256:${sha256(var.index)}"
  digest_right = var.digest == "" || var.digest == local.digest

  of_architecture = try([for entry in local.entries : entry if entry.architecture == var.architecture], [])
  variants        = distinct(local.of_architecture[*].variant)
  variant         = var.variant == "" && length(local.variants) == 1 ? local.variants[0] : var.variant
  found           = [for entry in local.of_architecture : entry if entry.variant == local.variant]

  # Nothing is chosen from an index that isn't the right one, even if only one of the outputs is evaluated (-target).
  locations = merge([for entry in local.found : entry.locations if local.digest_right && length(local.found) == 1]...)

  region = { for place in var.where : place => try(regex("^(.+[0-9])-[a-z]$", place)[0], place) }

  # Name → its key in orders.
  key = {
    for name in distinct(concat(values(local.region), keys(local.locations))) : name => [
      for key in [name, "${split("-", name)[0]}-*", "*"] : key if can(local.orders[key])
    ][0]
  }

  # Place → locations as "1 00382 eu", tier, km and name, nearest first.
  ranked = {
    for place, region in local.region : place => sort([
      for location in keys(local.locations) :
      "${region == location ? "0 00000" : local.orders[local.key[region]][local.key[location]]} ${location}"
    ])
  }

  farthest_tier = { none = 1, continent = 2, nearest = 3 }[var.fallback]

  # Place → its replica; places without one are missing.
  chosen = {
    for place, ranked in local.ranked : place => merge(local.locations[split(" ", ranked[0])[2]], {
      location = split(" ", ranked[0])[2]
      tier     = tonumber(split(" ", ranked[0])[0])
    }) if try(tonumber(split(" ", ranked[0])[0]) <= local.farthest_tier, false)
  }

  not_served = sort(setsubtract(var.where, keys(local.chosen)))
}
