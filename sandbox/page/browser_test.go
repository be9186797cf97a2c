package page_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"export2batch/sandbox"
)

// browser starts Chromium, or skips where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 1150),
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("force-color-profile", "srgb"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses its own sandbox to root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// holds waits until an expression is true in the page.
func holds(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression)
}

// send sends n events of a type for a user.
func send(t *testing.T, s *sandbox.Server, path string, events ...string) int {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(`{"api_key":"key","events":[`+strings.Join(events, ",")+`]}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// TestPage looks at the page in a real browser: figures, plot, search, the
// events of a person, and that what was sent stays text.
func TestPage(t *testing.T) {
	ctx := browser(t)
	s, err := sandbox.New(sandbox.Options{Events: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()

	now := time.Now().UnixMilli()
	for i := range 60 {
		send(t, s, "/batch", fmt.Sprintf(`{"user_id":"user-%d","device_id":"phone-%d","event_type":"product viewed","time":%d,"event_properties":{"item":%d}}`, i%7, i%7, now-int64(i)*86_400_000, i))
	}
	const markup = `<img src=x onerror=\"document.title='markup ran'\">`
	send(t, s, "/batch", `{"device_id":"laptop-1","event_type":"anonymous visit"}`)
	send(t, s, "/batch", `{"user_id":"alice@example.com","device_id":"laptop-1","event_type":"`+markup+`","event_properties":{"`+markup+`":"`+markup+`"},"user_properties":{"plan":"`+markup+`","color":"blue"}}`)
	send(t, s, "/batch", `{"user_id":"x"}`) // 400

	p := page{t, ctx}
	p.do(
		chromedp.Navigate(web.URL+"/"),
		holds(`document.getElementById("accepted").textContent === "62"`),
		holds(`document.querySelectorAll("#plot path").length >= 3`))
	answers, series := p.text("#answers"), p.text("#legend")
	p.do(
		chromedp.Click("#tab-days"),
		holds(`document.querySelector("#plot path").getAttribute("d").split("M").length > 50`),
		chromedp.SendKeys("#q", "alice\n"),
		holds(`document.querySelectorAll("#stream li").length === 2`))
	who, properties := p.text("#who"), p.text("#properties")
	p.do(chromedp.Click("#stream li summary"))
	events := p.text("#stream")
	elsewhere, err := chromedp.Run(ctx, chromedp.Evaluate[int](`performance.getEntriesByType("resource").filter((e) => !e.name.startsWith(location.origin)).length`))
	if err != nil {
		t.Fatal(err)
	}
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil {
		t.Fatal(err)
	}
	p.do(
		holds(`(document.getElementById("q").value = "") === ""`),
		chromedp.SendKeys("#q", "phone-3\n"),
		holds(`document.getElementById("who").textContent === "user-3" && document.querySelectorAll("#stream li").length === 9`))
	facts := p.text("#facts")
	shown := strings.ReplaceAll(markup, `\`, "")
	for _, c := range []struct{ what, text, has string }{
		{"answers", answers, "200 taken"}, {"answers", answers, "400 refused"},
		{"legend", series, "product viewed"}, {"legend", series, shown},
		{"who", who, "alice@example.com"},
		{"properties", properties, "color\tblue"}, {"properties", properties, shown},
		{"events", events, "anonymous visit"}, {"events", events, shown}, {"events", events, "device_id"},
		{"title", title, "export2batch sandbox"},
		{"facts", facts, "phone-3"},
	} {
		if !strings.Contains(c.text, c.has) {
			t.Errorf("%s is %q, without %q", c.what, c.text, c.has)
		}
	}
	if elsewhere != 0 {
		t.Errorf("%d requests went to another server", elsewhere)
	}
}

// page is the page in the browser.
type page struct {
	t   *testing.T
	ctx context.Context
}

func (p page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p page) text(selector string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Text(selector))
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}
