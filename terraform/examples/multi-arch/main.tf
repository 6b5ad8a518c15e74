# One index for machines of two architectures: the module once for each.

variable "where" {
  type        = map(set(string))
  description = "Architecture → the zones in which such machines start."
  default = {
    X86_64 = ["us-central1-a", "asia-east1-b"]
    ARM64  = ["us-central1-a", "europe-west4-b"]
  }
}

module "image" {
  for_each = var.where

  # Elsewhere: git::https://github.com/gce-image-replicator/gce-image-replicator.git//terraform?ref=v1
  source = "../.."

  index        = file("${path.module}/../image-index.json")
  architecture = each.key
  where        = each.value
}

output "images" {
  value = { for architecture, image in module.image : architecture => image.images }
}
