terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

variable "project" {
  type        = string
  description = "The project in which the templates are made."
}

resource "google_compute_instance_template" "web" {
  for_each = module.image.images

  project      = var.project
  region       = each.key
  name_prefix  = "web-${each.key}-"
  machine_type = "e2-small"

  disk {
    boot         = true
    source_image = each.value
  }

  network_interface {
    network = "default"
  }

  lifecycle {
    create_before_destroy = true
  }
}
