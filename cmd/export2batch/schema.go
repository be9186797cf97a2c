package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"export2batch/schemas"
)

func schemaCommand(ui *ui) *cli.Command {
	return &cli.Command{
		Name:        "schema",
		Usage:       "print a JSON Schema: batch-event, batch-request, export-event, manifest, …",
		ArgsUsage:   "[NAME]",
		UsageText:   "export2batch schema [NAME]",
		Description: "Prints the schema (draft 2020-12) with this name; without a name lists them.",
		Action: func(c *cli.Context) error {
			switch c.NArg() {
			case 0:
				return ui.result(schemaList(), printSchemas)
			case 1:
				text, err := schemas.Get(c.Args().First())
				if err != nil {
					return errUsage{err}
				}
				_, err = ui.stdout.Write(text)
				return err
			}
			return usagef("schema takes one name")
		},
	}
}

// schemaTitle is a schema as the list shows it.
type schemaTitle struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

func schemaList() (list []schemaTitle) {
	for _, name := range schemas.Names() {
		s := schemaTitle{Name: name}
		text, err := schemas.Get(name)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil {
			panic(err) // embedded, and read by tests
		}
		s.Name = name
		list = append(list, s)
	}
	return list
}

func printSchemas(w io.Writer) {
	for _, s := range schemaList() {
		fmt.Fprintf(w, "%-14s %s\n", s.Name, s.Title)
	}
}
