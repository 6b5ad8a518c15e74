# The index is a file beside the configuration: the artifact of the run that released the image, committed or downloaded.

module "image" {
  # Elsewhere: git::https://github.com/gce-image-replicator/gce-image-replicator.git//terraform?ref=v1
  source = "../.."

  index  = file("${path.module}/../image-index.json")
  digest = "sha256:6eb20876df6852721858e87bc832a87db86a09e5deae51b4323876660128bdff"
  where  = ["europe-west4-a", "asia-northeast1", "southamerica-east1"]
}

output "images" {
  value = module.image.images
}
