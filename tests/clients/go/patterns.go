// Matches tags as nektos/act does: reads a JSON list of {"patterns": [...], "tags": [...]}, writes for each
// null where a pattern is refused, else a list of booleans.
package main

import (
	"encoding/json"
	"os"

	"github.com/nektos/act/pkg/workflowpattern"
)

type asked struct {
	Patterns []string `json:"patterns"`
	Tags     []string `json:"tags"`
}

func main() {
	var cases []asked
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := make([][]bool, len(cases))
	for number, each := range cases {
		compiled, err := workflowpattern.CompilePatterns(each.Patterns...)
		if err != nil {
			continue
		}
		answers[number] = []bool{}
		for _, tag := range each.Tags {
			skipped := workflowpattern.Skip(compiled, []string{tag}, &workflowpattern.EmptyTraceWriter{})
			answers[number] = append(answers[number], !skipped)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
