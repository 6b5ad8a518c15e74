variable "index" {
  description = "The text of image-index.json, which a run of the action wrote and uploaded: file(\"image-index.json\"), or the response_body of an http data source."
  type        = string
  nullable    = false
}

variable "digest" {
  description = "The index's digest, the action's output index_digest: \"sha256:…\". Empty: the index is trusted without it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(?:sha256:[0-9a-f]{64})?$", var.digest))
    error_message = "digest isn't a valid digest: write \"sha256:\" and 64 hexadecimal digits in lower case, such as the action's output index_digest."
  }
}

variable "architecture" {
  description = "The architecture of the machines: X86_64, ARM64, or ARCHITECTURE_UNSPECIFIED for images that name none."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64", "ARCHITECTURE_UNSPECIFIED"], var.architecture)
    error_message = "architecture isn't X86_64, ARM64 or ARCHITECTURE_UNSPECIFIED."
  }
}

variable "variant" {
  description = "The variant, where the index holds several images of the architecture. Empty: the only one, or the one without a variant."
  type        = string
  default     = ""
  nullable    = false
}

variable "where" {
  description = "Where machines start: zones, regions or multi-regions (us, eu, asia). Each is a key of the outputs."
  type        = set(string)
  nullable    = false

  validation {
    condition = alltrue([
      for place in var.where : can(regex("^(?:us|eu|asia|(?:[a-z]-)?[a-z]+-[a-z]+[0-9]+(?:-[a-z])?)$", place))
    ])
    error_message = "where holds what isn't a zone (europe-west4-a), a region (europe-west4) or a multi-region (us, eu, asia)."
  }
}

variable "fallback" {
  description = "How far from a place its image may be stored. none: in the place or in the multi-region that holds it; continent: on its continent; nearest: anywhere."
  type        = string
  default     = "nearest"
  nullable    = false

  validation {
    condition     = contains(["nearest", "continent", "none"], var.fallback)
    error_message = "fallback isn't nearest, continent or none."
  }
}
