//go:build libraries

package main

import (
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
)

func init() {
	signers["standard-webhooks"] = func(secret, id string, at time.Time, body []byte) (string, error) {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", err
		}
		return webhook.Sign(id, at, body)
	}
	signers["svix"] = func(secret, id string, at time.Time, body []byte) (string, error) {
		webhook, err := svix.NewWebhook(secret)
		if err != nil {
			return "", err
		}
		return webhook.Sign(id, at, body)
	}
}
