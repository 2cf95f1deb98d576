using System.Globalization;
using System.Text;

namespace Accelerated.Interop;

/// <summary>This process's arguments as everyone on the host sees them (<c>ps</c>, /proc/PID/cmdline).</summary>
public static class ProcessArguments
{
    // Fields of /proc/PID/stat (proc(5)), counted from the one behind the name in brackets, which is the third.
    private const int ArgStart = 48 - 3;
    private const int ArgEnd = 49 - 3;

    /// <summary>The name this process was called by (argv[0]), which is the symbolic link's where it was called through one; empty if there is none.</summary>
    public static string CalledAs()
    {
        var line = File.ReadAllBytes("/proc/self/cmdline");
        return Encoding.UTF8.GetString(line, 0, Math.Max(Array.IndexOf(line, (byte)0), 0));
    }

    /// <summary>Writes over the end of an argument. The runtime read them long ago, into memory of its own.</summary>
    /// <param name="argument">The whole argument; wherever it stands.</param>
    /// <param name="secret">Its end, which is to go.</param>
    /// <exception cref="IOException">The kernel does not let this process write there.</exception>
    /// <exception cref="UnauthorizedAccessException">The kernel does not let this process write there.</exception>
    public static void Hide(string argument, string secret)
    {
        ArgumentException.ThrowIfNullOrEmpty(argument);
        ArgumentException.ThrowIfNullOrEmpty(secret);
        var hidden = Encoding.UTF8.GetByteCount(secret);
        var stat = File.ReadAllText("/proc/self/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var (start, length) = (Address(fields[ArgStart]), Address(fields[ArgEnd]) - Address(fields[ArgStart]));
        using var memory = File.OpenHandle("/proc/self/mem", FileMode.Open, FileAccess.ReadWrite);
        var arguments = new byte[length];
        arguments = arguments[..RandomAccess.Read(memory, arguments, start)];
        foreach (var end in Ends(arguments, Encoding.UTF8.GetBytes($"\0{argument}\0")))
            RandomAccess.Write(memory, Enumerable.Repeat((byte)'x', hidden).ToArray(), start + end - hidden);
    }

    // Where the argument ends, each time it is there; a zero stands before and behind it.
    private static List<int> Ends(ReadOnlySpan<byte> arguments, ReadOnlySpan<byte> wanted)
    {
        var found = new List<int>();
        for (var at = 0; arguments[at..].IndexOf(wanted) is >= 0 and var next; at += next + 1)
            found.Add(at + next + wanted.Length - 1);
        return found;
    }

    private static long Address(string field) => long.Parse(field, NumberStyles.None, CultureInfo.InvariantCulture);
}
