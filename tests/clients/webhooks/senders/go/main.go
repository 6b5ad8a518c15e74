// Signs and sends from Go: net/http|standard-webhooks|svix, and the URL; see openssl.sh for what it reads.
// The first needs nothing but Go; the others are there with the build tag `libraries`.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type signer func(secret, id string, at time.Time, body []byte) (string, error)

var signers = map[string]signer{"net/http": byHand}

func byHand(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

func main() {
	sign, url := signers[os.Args[1]], os.Args[2]
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		part := strings.Split(lines.Text(), "\t")
		id, at, secret, path, signature := part[0], part[1], part[2], part[3], part[4]
		body := must(os.ReadFile(path))
		if signature == "-" {
			signature = must(sign(secret, id, time.Unix(must(strconv.ParseInt(at, 10, 64)), 0), body))
		}
		request := must(http.NewRequest("POST", url, bytes.NewReader(body)))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("webhook-id", id)
		request.Header.Set("webhook-timestamp", at)
		request.Header.Set("webhook-signature", signature)
		answer := must(http.DefaultClient.Do(request))
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		fmt.Printf("%d\t%s\n", answer.StatusCode, signature)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
