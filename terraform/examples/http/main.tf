# The index is read from where the release has it, such as an asset of the release. The digest comes from elsewhere, such
# as the output index_digest of the run: what the server says of its own file proves nothing.

terraform {
  required_providers {
    http = {
      source  = "hashicorp/http"
      version = ">= 3.0"
    }
  }
}

variable "index_url" {
  type        = string
  description = "The address of image-index.json."
}

variable "index_digest" {
  type        = string
  description = "The action's output index_digest."
}

data "http" "index" {
  url = var.index_url

  lifecycle {
    postcondition {
      condition     = self.status_code == 200
      error_message = "The server answered ${self.status_code} instead of the index: check index_url."
    }
  }
}

module "image" {
  # Elsewhere: git::https://github.com/gce-image-replicator/gce-image-replicator.git//terraform?ref=v1
  source = "../.."

  index  = data.http.index.response_body
  digest = var.index_digest
  where  = ["us-east1-b", "me-west1"]
}

output "images" {
  value = module.image.images
}
