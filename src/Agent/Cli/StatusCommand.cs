using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Accelerated.Agent.Api;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated status</c>: asks the running agent and prints the answer for a person or, with <c>--json</c>, for a script.</summary>
internal static class StatusCommand
{
    private const int MostContainersNamed = 4;

    /// <summary>The command for the command line library.</summary>
    public static Command Create()
    {
        var (runDir, instance) = AgentAddress.Options();
        var json = new Option<bool>("--json") { Description = "print the agent's answer as it is: one line of JSON" };
        var command = new Command("status", "Show how this node is. Exit code: 0 well, 1 not well, 3 no agent answers.") { runDir, instance, json };
        command.SetAction(parsed => RunAsync(AgentOptions.SocketPath(parsed.GetValue(runDir)!, parsed.GetValue(instance)!), parsed.GetValue(json)));
        return command;
    }

    private static async Task<int> RunAsync(string socket, bool json)
    {
        try
        {
            var line = await StatusClient.QueryAsync(socket).ConfigureAwait(false);
            var report = JsonSerializer.Deserialize(line, ApiJson.Default.StatusReport) ?? throw new JsonException("null");
            await Console.Out.WriteLineAsync(json ? line : Render(report, DateTimeOffset.UtcNow)).ConfigureAwait(false);
            return report.Health is "ok" or "warning" ? ExitCodes.Success : ExitCodes.Failure;
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync($"accelerated status: {e.Message}").ConfigureAwait(false);
            return ExitCodes.NoAgent;
        }
        catch (JsonException)
        {
            await Console.Error.WriteLineAsync($"accelerated status: {socket} answers something else than an agent's status: is it an agent of another version?").ConfigureAwait(false);
            return ExitCodes.NoAgent;
        }
    }

    /// <summary>The report for a person: the first line says it all, the rest is detail.</summary>
    internal static string Render(StatusReport report, DateTimeOffset now)
    {
        var lines = new List<string> { report.Summary, "" };
        Row("subnet", $"{report.Subnet ?? "none yet"} of {report.Network ?? "an unknown network"}{(report.Provisional ? ", provisional: not yet confirmed by etcd" : "")}");
        Row("underlay", $"{report.Interface ?? "none yet"}, public IP {report.PublicIP ?? "unknown"}");
        if (report.Device is not null)
            Row("device", $"{report.Device} {report.VtepMac}, VNI {report.Vni}, UDP port {report.Port}, MTU {report.Mtu}");
        Row("datapath", $"{report.Datapath}: {report.DatapathReason}");
        var reached = report.Containers.Where(c => c.LeftOut is null).ToList();
        if (reached.Count > 0)
        {
            Row("shortcut", $"to {string.Join(", ", reached.Take(MostContainersNamed).Select(c => $"{c.Address} on {c.Interface}"))}"
                + (reached.Count > MostContainersNamed ? $" and {reached.Count - MostContainersNamed} more containers" : ""));
        }

        foreach (var lane in report.Lanes)
            Row("lane " + lane.Lane, $"{(lane.Off is { } off ? $"off: {off}; " : "")}{lane.Taken} packets taken{Reasons(", left to the driver: ", lane.Passed)}{Reasons(", refused: ", lane.Refused)}");
        if (report.Guard is { } guard)
        {
            var others = guard.Mode == "off" || guard.OtherInterfaces.Count == 0 ? "" : $"; also on {string.Join(", ", guard.OtherInterfaces)}: guarded by nftables, not accelerated";
            Row("guard", $"{guard.Mode}{(guard.Reason is null ? "" : $": {guard.Reason}")}{Reasons(guard.Mode == "observe" ? ", would refuse: " : ", refused: ", guard.Refused)}{others}");
        }

        Row("etcd", report.Etcd.Connected
            ? $"{report.Etcd.Endpoint}, for {Ago(report.Etcd.Since, now)}, revision {report.Etcd.Revision}"
            : report.Etcd.Error ?? "not tried yet");
        Row("reconcile", report.Reconcile.LastPass is null ? "no pass yet" : $"{report.Reconcile.Passes} passes, the last {Ago(report.Reconcile.LastPass, now)} ago in {report.Reconcile.LastMilliseconds.ToString("0.0", CultureInfo.InvariantCulture)} ms, {report.Reconcile.Repairs} repairs");
        Row("version", $"{report.Version}{(report.Instance == AgentOptions.DefaultInstance ? "" : $", instance {report.Instance}")}");
        if (report.Peers.Count > 0)
        {
            lines.Add("");
            // The lanes' counters, where there are lanes.
            var counted = report.Peers.Any(p => p.Traffic is not null);
            Table(["peer", "public IP", "VTEP MAC", "transport", .. counted ? (string[])["sent", "received"] : [], "state"],
                [
                    .. report.Peers.Select(p => (string[])
                    [
                        p.Subnet, p.PublicIP, p.VtepMac ?? "-", p.Transport,
                        .. counted ? (string[])[Traffic(p.Traffic?.PacketsOut, p.Traffic?.BytesOut), Traffic(p.Traffic?.PacketsIn, p.Traffic?.BytesIn)] : [],
                        p.Error is null ? p.State : $"{p.State}: {p.Error}",
                    ]),
                ]);
        }

        if (report.Containers.Any(c => c.LeftOut is not null))
        {
            lines.Add("");
            Table(["not on the shortcut", "because"], [.. report.Containers.Where(c => c.LeftOut is not null).Select(c => new[] { c.Address, c.LeftOut! })]);
        }

        if (report.Rejected.Count > 0)
        {
            lines.Add("");
            Table(["left out", "because"], [.. report.Rejected.Select(r => new[] { r.Key, r.Reason })]);
        }

        if (report.Problems.Count > 0)
        {
            lines.Add("");
            lines.AddRange(report.Problems.Select(p => $"{p.Severity}: {p.Message}\n    → {p.Remedy}"));
        }

        return string.Join('\n', lines);

        void Row(string name, string value) => lines.Add($"  {name,-10} {value}");

        void Table(string[] head, List<string[]> rows)
        {
            var widths = head.Select((h, i) => Math.Max(h.Length, rows.Max(r => r[i].Length))).ToArray();
            foreach (var row in rows.Prepend(head))
                lines.Add("  " + string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }
    }

    private static string Traffic(ulong? packets, ulong? bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        var (value, unit) = ((double)(bytes ?? 0), 0);
        for (; value >= 1000 && unit < units.Length - 1; unit++)
            value /= 1000;
        return string.Create(CultureInfo.InvariantCulture, $"{packets ?? 0} packets, {value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture)} {units[unit]}");
    }

    private static string Reasons(string words, IReadOnlyDictionary<string, ulong> counts) =>
        counts.Count == 0 ? "" : words + string.Join(", ", counts.OrderByDescending(c => c.Value).Select(c => $"{c.Value} {c.Key.Replace('_', ' ')}"));

    private static string Ago(DateTimeOffset? then, DateTimeOffset now)
    {
        if (then is not { } time)
            return "never";
        var span = now - time;
        return span.TotalSeconds < 120 ? $"{Math.Max(0, span.TotalSeconds):0} s"
            : span.TotalMinutes < 120 ? $"{span.TotalMinutes:0} min"
            : span.TotalHours < 48 ? $"{span.TotalHours:0} h" : $"{span.TotalDays:0} days";
    }
}
