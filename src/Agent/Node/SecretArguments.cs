using Accelerated.Interop;

namespace Accelerated.Agent.Node;

/// <summary>Takes the password out of the process title. The environment, which only root and the agent's user can read, remains the better place.</summary>
internal static class SecretArguments
{
    private const string Flag = "etcd-password";

    /// <summary>Writes over every value of <c>--etcd-password</c>, in each way to write it.</summary>
    public static void Hide(string[] arguments)
    {
        foreach (var (argument, secret) in Find(arguments))
        {
            try
            {
                ProcessArguments.Hide(argument, secret);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"accelerated: --{Flag} stays visible in the list of processes ({e.Message}); give it as FLANNELD_ETCD_PASSWORD in the environment");
            }
        }
    }

    /// <summary>The arguments that end in a value, and the value: <c>-etcd-password=V</c>, <c>--etcd-password=V</c>, or either followed by <c>V</c>.</summary>
    internal static IEnumerable<(string Argument, string Secret)> Find(string[] arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = arguments[i].StartsWith("--", StringComparison.Ordinal) ? arguments[i][2..] : arguments[i].StartsWith('-') ? arguments[i][1..] : "";
            if (name.StartsWith(Flag + "=", StringComparison.Ordinal) && name.Length > Flag.Length + 1)
                yield return (arguments[i], name[(Flag.Length + 1)..]);
            else if (name == Flag && i + 1 < arguments.Length && arguments[i + 1].Length > 0)
                yield return (arguments[i + 1], arguments[i + 1]);
        }
    }
}
