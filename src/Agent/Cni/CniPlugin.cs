using System.Globalization;
using System.Text;
using Accelerated.Interop;

namespace Accelerated.Agent.Cni;

/// <summary>
/// The binary as CNI plugin: a drop-in for flannel's, which hands its work on to <c>bridge</c> and <c>host-local</c>. It is started
/// several times for each container, so nothing is loaded here that it can do without: no host, no command line, no reflection.
/// </summary>
internal static class CniPlugin
{
    /// <summary>The name of flannel's plugin.</summary>
    private const string Name = "flannel";

    private const int Internal = 999;
    private const int LongestConfiguration = 16 << 20;

    /// <summary>Whether a container runtime called the binary: by flannel's name, or without a word and with CNI_COMMAND in the environment.</summary>
    public static bool IsCalled(string[] arguments) =>
        (arguments.Length == 0 && !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CNI_COMMAND"))) || Path.GetFileName(ProcessArguments.CalledAs()) == Name;

    /// <summary>Serves the call and ends the process. At once: the runtime's farewell takes 19 ms, in which a container waits for nothing.</summary>
    public static int Run()
    {
        var code = Serve();
        ProcessEnd.Now(code);
        return code;
    }

    private static int Serve()
    {
        var version = CniVersion.Newest;
        try
        {
            if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CNI_COMMAND")))
            {
                StandardStreams.WriteError(Encoding.UTF8.GetBytes($"CNI {Name} plugin of accelerated\nCNI protocol versions supported: {string.Join(", ", CniVersion.Supported)}\n"));
                return ExitCodes.Success;
            }

            var request = CniRequest.Read(Environment.GetEnvironmentVariable);
            if (request.Command == "VERSION")
            {
                StandardStreams.WriteOutput(Versions());
                return ExitCodes.Success;
            }

            var network = NetworkConfiguration.Parse(StandardStreams.ReadInput(LongestConfiguration));
            CniVersion.Check(network.Version, request.Command);
            version = network.Version;
            StandardStreams.WriteOutput(new CniCommands(request, network).Run());
            return ExitCodes.Success;
        }
        catch (CniException e)
        {
            return Refuse(version, e);
        }
        catch (IOException e)
        {
            return Refuse(version, new CniException(CniException.InputOutput, e.Message, null, e));
        }
#pragma warning disable CA1031 // whatever it is, the runtime is to read it as it reads every error
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Refuse(version, new CniException(Internal, $"the plugin failed in a way it should not: {e.Message}", e.ToString(), e));
        }
    }

    private static int Refuse(string version, CniException error)
    {
        try
        {
            var json = new RawWriter().Add("cniVersion", version).Add("code", Encoding.UTF8.GetBytes(error.Code.ToString(CultureInfo.InvariantCulture))).Add("msg", error.Message);
            if (error.Details is { } details)
                json.Add("details", details);
            StandardStreams.WriteOutput(json.ToArray());
        }
        catch (IOException)
        {
            StandardStreams.WriteError(Encoding.UTF8.GetBytes($"{error.Message}\n"));
        }

        return ExitCodes.Failure;
    }

    private static byte[] Versions() => new RawWriter()
        .Add("cniVersion", CniVersion.Newest)
        .Add("supportedVersions", Encoding.UTF8.GetBytes($"[\"{string.Join("\",\"", CniVersion.Supported)}\"]"))
        .ToArray();
}
