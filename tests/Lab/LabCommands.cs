using System.ComponentModel;
using System.Diagnostics;

namespace Accelerated.Lab;

/// <summary>
/// Runs commands for one lab. Each carries the lab's name in its environment, so that whatever is left of a lab that was
/// killed can be found and ended, wherever it runs.
/// </summary>
internal sealed class LabCommands(string labName)
{
    /// <summary>The environment variable every process of a lab carries.</summary>
    internal const string OwnerVariable = "ACCELERATED_LAB_OWNER";

    /// <summary>How long a command may take if nobody says otherwise.</summary>
    internal static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(30);

    /// <summary>Runs a command to its end.</summary>
    /// <exception cref="LabException">It cannot be started or took longer than <paramref name="limit"/> and was killed.</exception>
    public async Task<CommandResult> ExecAsync(
        IReadOnlyList<string> command, string? stdin = null, TimeSpan? limit = null,
        IReadOnlyDictionary<string, string>? environment = null, CancellationToken cancel = default)
    {
        cancel.ThrowIfCancellationRequested();
        var shown = Show(command);
        using var process = new Process { StartInfo = Describe(command, environment) };
        process.StartInfo.RedirectStandardInput = true;
        process.StartInfo.RedirectStandardOutput = true;
        process.StartInfo.RedirectStandardError = true;
        StartOrThrow(process, shown);

        // Process.Dispose leaves open what was read from by hand: two descriptors for each command, until a collection comes by.
        using var output = process.StandardOutput;
        using var error = process.StandardError;
        using var timer = new CancellationTokenSource(limit ?? DefaultLimit);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancel);
        try
        {
            var stdout = output.ReadToEndAsync(either.Token);
            var stderr = error.ReadToEndAsync(either.Token);
            await FeedAsync(process, stdin);
            await process.WaitForExitAsync(either.Token);
            // Ctrl-C at a terminal also reaches the commands that run just then: that is no failure of theirs.
            if (process.ExitCode != 0)
                cancel.ThrowIfCancellationRequested();
            return new CommandResult(shown, process.ExitCode, await stdout, await stderr);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            throw new LabException($"command took longer than {(limit ?? DefaultLimit).TotalSeconds:0.#} s and was killed: {shown}");
        }
    }

    /// <summary>Runs a command that has to succeed.</summary>
    /// <exception cref="LabException">It did not.</exception>
    public async Task<CommandResult> RunAsync(
        IReadOnlyList<string> command, string? stdin = null, TimeSpan? limit = null, CancellationToken cancel = default) =>
        (await ExecAsync(command, stdin, limit, environment: null, cancel)).OrThrow();

    /// <summary>Hands many <c>ip</c> commands to one process; the first that fails ends it.</summary>
    /// <param name="lines">Each without the leading <c>ip</c>.</param>
    /// <param name="ns">The namespace to work in; null for the machine's own.</param>
    /// <param name="cancel">Kills it.</param>
    /// <exception cref="LabException">A line failed; the message shows which.</exception>
    public async Task IpBatchAsync(IReadOnlyList<string> lines, string? ns = null, CancellationToken cancel = default)
    {
        string[] command = ns is null ? ["ip", "-batch", "-"] : ["ip", "-n", ns, "-batch", "-"];
        var result = await ExecAsync(command, string.Join('\n', lines) + "\n", DefaultLimit, environment: null, cancel);
        if (result.Succeeded)
            return;
        // iproute2 says "Command failed -:7" for the seventh line of its standard input.
        var number = result.Stderr.Split("Command failed -:") is [_, var rest, ..] && int.TryParse(rest.Trim(), out var n) ? n : 0;
        var line = number >= 1 && number <= lines.Count ? $"\nthe line was: {lines[number - 1]}" : "";
        throw new LabException($"command failed with exit code {result.ExitCode}: {result.CommandLine}{line}\n{result.Stderr.Trim()}");
    }

    /// <summary>
    /// Starts a process in a namespace that goes on when this one ends: in a session of its own (Ctrl-C is the lab's to
    /// handle), with its output appended to a file and its process id in another.
    /// </summary>
    public Process Start(
        string ns, IReadOnlyList<string> command, string outputFile, string? pidFile = null,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        // One exec after another, so that the pid written first is the pid of the command in the end.
        const string script = """test -z "$1" || echo $$ >"$1"; out=$2; shift 2; exec setsid "$@" </dev/null >>"$out" 2>&1""";
        string[] all = ["sh", "-c", script, "sh", pidFile ?? "", outputFile, .. Enter(ns, command)];
        var process = new Process { StartInfo = Describe(all, environment) };
        StartOrThrow(process, Show(command));
        return process;
    }

    /// <summary>
    /// The command, to be run in a namespace. Not <c>ip netns exec</c>: that mounts a fresh /sys, which hides bpffs.
    /// </summary>
    public static IReadOnlyList<string> Enter(string ns, IReadOnlyList<string> command) =>
        ["nsenter", $"--net={LabLayout.NamespaceDirectory}/{ns}", "--", .. command];

    /// <summary>Sends signals by <c>kill</c>; a process that is gone already is no error.</summary>
    /// <param name="signal">Without SIG: TERM, INT, KILL.</param>
    /// <param name="pids">Process ids.</param>
    public Task SignalAsync(string signal, params IEnumerable<int> pids) =>
        // The shell's own kill: the program of that name is in a package of its own.
        ExecAsync(["sh", "-c", """s=$1; shift; for p; do kill -s "$s" "$p"; done""", "sh", signal, .. pids.Select(p => p.ToString())]);

    /// <summary>A command as a person would type it.</summary>
    public static string Show(IEnumerable<string> command) =>
        string.Join(' ', command.Select(word =>
            word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_=./:,@%+".Contains(c))
                ? word
                : $"'{word.Replace("'", "'\\''")}'"));

    private ProcessStartInfo Describe(IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo(command[0]) { UseShellExecute = false };
        foreach (var word in command.Skip(1))
            start.ArgumentList.Add(word);

        // What the caller's shell or service manager says to an agent of its own is not meant for the lab's.
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("FLANNEL", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment.Remove("NOTIFY_SOCKET");
        start.Environment["LC_ALL"] = "C";
        start.Environment["PATH"] = $"{start.Environment["PATH"]}:/usr/local/sbin:/usr/sbin:/sbin";
        start.Environment[OwnerVariable] = labName;
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return start;
    }

    private static void StartOrThrow(Process process, string shown)
    {
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new LabException($"cannot start: {shown}\n{e.Message}; 'make deps' installs what the lab needs", e);
        }
    }

    private static async Task FeedAsync(Process process, string? stdin)
    {
        try
        {
            if (stdin is not null)
                await process.StandardInput.WriteAsync(stdin);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading all of its input; its exit code tells why.
        }
    }
}
